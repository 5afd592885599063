<?php

declare(strict_types=1);

// Lets drivers move through the city and publishes each position to the hub, as a queue worker of a Laravel app would.
//
//   php publish.php [--drivers=12] [--interval=1] [--count=0]
//
// REVERB_APP_ID, REVERB_APP_KEY and REVERB_APP_SECRET say who publishes; REVERB_HOST (127.0.0.1), REVERB_PORT (6001)
// and REVERB_SCHEME (http) where to.

use Demo\Driver;
use Demo\PublishFailed;
use Demo\Publisher;
use Demo\Settings;

require __DIR__ . '/src/autoload.php';

const USAGE = <<<'TEXT'
    Usage: php publish.php [--drivers=12] [--interval=1] [--count=0]
      --drivers   how many drivers move
      --interval  seconds between two positions of one driver
      --count     stop after so many events; 0 goes on until Ctrl-C
    TEXT;

function fail(string $message, int $status): never
{
    fwrite(STDERR, "publish.php: $message\n");
    exit($status);
}

/**
 * Reads --name=value and --name value. Not getopt(): it overlooks a misspelt option without a word.
 *
 * @param list<string> $arguments
 *
 * @return array<string, string>
 */
function options(array $arguments): array
{
    $options = [];
    while ($arguments !== []) {
        $argument = array_shift($arguments);
        if (preg_match('/\A--(drivers|interval|count)(?:=(.*))?\z/', $argument, $match) !== 1) {
            fail("unknown argument '$argument'\n" . USAGE, 2);
        }
        $options[$match[1]] = $match[2] ?? array_shift($arguments) ?? '';
    }

    return $options;
}

/** @param array<string, string> $options */
function number(array $options, string $name, float $default, float $min): float
{
    $value = $options[$name] ?? $default;
    if (!is_numeric($value) || $value < $min) {
        fail("--$name must be a number of at least $min\n" . USAGE, 2);
    }

    return (float) $value;
}

if (in_array('--help', $argv, true)) {
    echo USAGE, "\n";
    exit(0);
}
$options = options(array_slice($argv, 1));
$interval = number($options, 'interval', 1, 0.01);
$count = (int) number($options, 'count', 0, 0);
$drivers = array_map(static fn (int $id): Driver => new Driver($id), range(1, (int) number($options, 'drivers', 12, 1)));

// Without pcntl the signals simply end the process, which loses nothing either.
$stopped = false;
if (function_exists('pcntl_async_signals')) {
    pcntl_async_signals(true);
    foreach ([SIGINT, SIGTERM] as $signal) {
        pcntl_signal($signal, static function () use (&$stopped): void {
            $stopped = true;
        });
    }
}

try {
    $publisher = new Publisher(Settings::fromEnvironment());
    // The drivers take turns, so that events flow evenly instead of in one burst an interval.
    $pause = (int) round($interval * 1e6 / count($drivers));
    for ($sent = 0; !$stopped && ($count === 0 || $sent < $count); $sent++) {
        $driver = $drivers[$sent % count($drivers)];
        $driver->drive($interval);
        $publisher->trigger(['drivers'], 'driver.moved', $driver->position());
        usleep($pause);
    }
} catch (PublishFailed $e) {
    fail($e->getMessage(), 1);
} catch (RuntimeException $e) {
    fail($e->getMessage(), 2);
}

echo "published $sent positions\n";
