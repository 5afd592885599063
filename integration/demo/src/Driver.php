<?php

declare(strict_types=1);

namespace Demo;

/** One delivery driver, going from crossing to crossing. */
final class Driver
{
    private const NAMES = ['Ada', 'Bo', 'Cleo', 'Dario', 'Ela', 'Finn', 'Gus', 'Hana', 'Ines', 'Jo', 'Kim', 'Lou', 'Mara', 'Nils', 'Ona', 'Pia', 'Rui', 'Sol', 'Tess', 'Uma', 'Vik', 'Wes', 'Yara', 'Zoe'];
    private const COMPASS = [[0, -1], [1, 0], [0, 1], [-1, 0]];

    private float $x;
    private float $y;
    private int $column;
    private int $row;
    /** Index into COMPASS: north, east, south, west. */
    private int $direction;
    private readonly float $speed;

    public function __construct(private readonly int $id)
    {
        $this->column = random_int(0, count(City::COLUMNS) - 1);
        $this->row = random_int(0, count(City::ROWS) - 1);
        $this->x = City::COLUMNS[$this->column];
        $this->y = City::ROWS[$this->row];
        $this->speed = random_int(55, 95);
        $this->direction = random_int(0, 3);
        $this->turn();
    }

    /** Stops at the next crossing at the latest: a step around a corner would be drawn straight through the houses. */
    public function drive(float $seconds): void
    {
        [$dx, $dy] = self::COMPASS[$this->direction];
        $left = abs(City::COLUMNS[$this->column] - $this->x) + abs(City::ROWS[$this->row] - $this->y);
        $step = min($this->speed * $seconds, $left);
        $this->x += $dx * $step;
        $this->y += $dy * $step;
        if ($step >= $left) {
            $this->turn();
        }
    }

    /** @return array<string, mixed> the payload of the event, what broadcastWith() returns in Laravel */
    public function position(): array
    {
        return [
            'id' => $this->id,
            'name' => self::NAMES[($this->id - 1) % count(self::NAMES)],
            'x' => round($this->x, 1),
            'y' => round($this->y, 1),
            'heading' => $this->direction * 90,
            'at' => (int) (microtime(true) * 1000),
        ];
    }

    /** Picks the next crossing: any way out of this one, but back only from a dead end, of which a grid has none. */
    private function turn(): void
    {
        $ways = [];
        foreach (self::COMPASS as $direction => [$dx, $dy]) {
            $back = ($this->direction + 2) % 4 === $direction;
            if (!$back && isset(City::COLUMNS[$this->column + $dx], City::ROWS[$this->row + $dy])) {
                $ways[] = $direction;
            }
        }
        $this->direction = $ways[array_rand($ways)];
        $this->column += self::COMPASS[$this->direction][0];
        $this->row += self::COMPASS[$this->direction][1];
    }
}
