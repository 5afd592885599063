<?php

declare(strict_types=1);

// One class a file, named as PSR-4 says; four lines instead of Composer.
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Demo\\')) {
        require __DIR__ . '/' . strtr(substr($class, strlen('Demo\\')), '\\', '/') . '.php';
    }
});
