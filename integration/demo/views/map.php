<?php

/**
 * The page. The city is drawn here, from the same numbers that the drivers follow; scripts add what moves.
 *
 * @var array{key: string, visitor: array{id: string, name: string, hue: int}} $config
 * @var bool $missing whether the client libraries still have to be copied
 */

declare(strict_types=1);

use Demo\City;

$json = json_encode($config, JSON_THROW_ON_ERROR | JSON_HEX_TAG | JSON_HEX_AMP);
?>
<!doctype html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Drivers, live</title>
    <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/assets/page.css">
    <link rel="stylesheet" href="/assets/map.css">
    <script id="config" type="application/json"><?= $json ?></script>
    <script src="/vendor/pusher.min.js" defer></script>
    <script src="/vendor/echo.iife.js" defer></script>
    <script src="/assets/main.js" type="module"></script>
</head>
<body>
<header>
    <img src="/assets/icon.svg" alt="" width="28" height="28">
    <h1>Drivers, live</h1>
    <p id="connection" class="pill" role="status" data-state="connecting">connecting</p>
</header>

<?php if ($missing): ?>
<p class="notice" role="alert">The client libraries are missing. Run <code>npm ci</code> in <code>integration/clients</code>, then reload.</p>
<?php endif ?>

<main>
    <section class="map" aria-label="Map">
        <svg id="map" viewBox="0 0 <?= City::WIDTH ?> <?= City::HEIGHT ?>" role="img" aria-label="Delivery drivers moving through a city">
            <rect class="ground" width="<?= City::WIDTH ?>" height="<?= City::HEIGHT ?>"/>
<?php foreach (City::PARKS as [$column, $row]): ?>
            <rect class="park" x="<?= City::COLUMNS[$column] ?>" y="<?= City::ROWS[$row] ?>" width="<?= City::COLUMNS[$column + 1] - City::COLUMNS[$column] ?>" height="<?= City::ROWS[$row + 1] - City::ROWS[$row] ?>"/>
<?php endforeach ?>
            <path class="river" d="M-20 590 C 180 560, 240 440, 350 455 S 520 560, 610 470 S 760 210, 1020 225"/>
<?php foreach (City::COLUMNS as $i => $x): ?>
            <path class="<?= in_array($i, City::AVENUES['columns'], true) ? 'avenue' : 'street' ?>" d="M<?= $x ?> -10V<?= City::HEIGHT + 10 ?>"/>
<?php endforeach ?>
<?php foreach (City::ROWS as $i => $y): ?>
            <path class="<?= in_array($i, City::AVENUES['rows'], true) ? 'avenue' : 'street' ?>" d="M-10 <?= $y ?>H<?= City::WIDTH + 10 ?>"/>
<?php endforeach ?>
            <g id="trails"></g>
            <g id="orders"></g>
            <g id="drivers"></g>
            <g id="cursors"></g>
        </svg>
        <p id="empty" class="hint">No driver has moved yet. Start some: <code>php integration/demo/publish.php</code></p>
        <ul id="toasts" role="log" aria-label="What others do"></ul>
    </section>

    <aside>
        <dl class="figures">
            <div><dt>Drivers</dt><dd id="driver-count">0</dd></div>
            <div><dt>Events / s</dt><dd id="rate">0.0</dd></div>
            <div><dt>Viewers</dt><dd id="viewer-count">0</dd></div>
        </dl>

        <section>
            <h2>Last event</h2>
            <p id="last-event" class="event">none yet</p>
        </section>

        <section>
            <h2>Who is here</h2>
            <ul id="viewers"></ul>
            <button id="wave" type="button" disabled>Wave to everyone</button>
            <p class="fine">Your pointer and your wave go from browser to browser as client events; PHP does not see them.
                Click the map to place an order: that goes through PHP, which tells everyone but you.</p>
        </section>
    </aside>
</main>

<footer>Channels <code>drivers</code> and <code>presence-viewers</code> · socket <code id="socket-id">–</code></footer>
</body>
</html>
