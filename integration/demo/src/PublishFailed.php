<?php

declare(strict_types=1);

namespace Demo;

use RuntimeException;

/** The hub refused an event or could not be reached; the message is one sentence for a person. */
final class PublishFailed extends RuntimeException
{
}
