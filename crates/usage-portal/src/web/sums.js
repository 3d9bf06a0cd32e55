// Sums of decimal numbers, and sizes as text.

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte'];

const fraction = (decimal) => decimal.split('.')[1] ?? '';

/** Returns the exact sum of decimal numbers that are texts, as in `12.5`; null without any. */
export function sumOfDecimals(decimals) {
    const present = decimals.filter((decimal) => decimal !== null);
    if (present.length === 0) return null;
    const digits = Math.max(...present.map((decimal) => fraction(decimal).length));
    const scaled = present.map((decimal) => BigInt(decimal.split('.')[0] + fraction(decimal).padEnd(digits, '0')));
    const text = String(scaled.reduce((sum, value) => sum + value, 0n)).padStart(digits + 1, '0');
    if (digits === 0) return text;
    const rest = text.slice(-digits).replace(/0+$/, '');
    return `${text.slice(0, -digits)}${rest === '' ? '' : `.${rest}`}`;
}

/** Returns a decimal number with its thousands apart, and all its digits. */
export function decimalText(decimal) {
    const rest = fraction(decimal);
    const whole = new Intl.NumberFormat('en').format(BigInt(decimal.split('.')[0]));
    return rest === '' ? whole : `${whole}.${rest}`;
}

/** Returns a number of bytes in the unit that makes it short, as in `1.5 MB`. */
export function sizeText(bytes) {
    const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
    const style = { style: 'unit', unit: UNITS[power], maximumSignificantDigits: 3 };
    return new Intl.NumberFormat('en', style).format(bytes / 1_000 ** power);
}
