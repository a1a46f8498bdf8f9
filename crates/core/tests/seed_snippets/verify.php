<?php
// A receiver as DigiVault's PHP sample means it: HMAC-SHA256 of the raw body, hex, compared in constant time.
//
// Reads a JSON array of cases from standard input and prints one verdict per line.
declare(strict_types=1);

function is_signed(array $received): bool
{
    $raw = base64_decode($received['body'], true);
    $computed = hash_hmac('sha256', $raw, $received['secret']);
    return hash_equals($computed, $received['headers'][$received['header']] ?? '');
}

foreach (json_decode(file_get_contents('php://stdin'), true, 16, JSON_THROW_ON_ERROR) as $received) {
    echo is_signed($received) ? 'accepted' : 'refused', "\n";
}
