<?php

declare(strict_types=1);

namespace Demo;

/** A street grid in map units. The page draws it and the publisher drives on it, so it stands in one place. */
final class City
{
    public const WIDTH = 1000;
    public const HEIGHT = 700;

    /** Streets from north to south stand at these x, streets from west to east at these y. */
    public const COLUMNS = [50, 160, 290, 410, 540, 660, 800, 950];
    public const ROWS = [50, 150, 265, 385, 520, 650];

    /** Wider streets: index into COLUMNS and ROWS. */
    public const AVENUES = ['columns' => [2, 5], 'rows' => [3]];

    /** Blocks, by column and row of their north-west corner, that are parks. */
    public const PARKS = [[1, 1], [5, 3], [6, 0]];
}
