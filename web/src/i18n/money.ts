/** One US dollar is 10¹² picodollars. */
const DOLLAR_DIGITS = 12
const SIGNIFICANT = 3

export interface Display {
  /** ISO 4217 code. */
  currency: string
  /** Units of that currency for one US dollar, a decimal string. */
  rate: string
  locale: string
}

/** A decimal number without loss: units / 10^scale. */
interface Decimal {
  units: bigint
  scale: number
}

export const DOLLARS = (locale: string): Display => ({ currency: 'USD', rate: '1', locale })

/** `null` for text that is no decimal number ≥ 0. */
export function parseDecimal(text: string): Decimal | null {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(text.trim())
  if (match === null) return null
  const fraction = match[2] ?? ''
  return { units: BigInt((match[1] ?? '') + fraction), scale: fraction.length }
}

/**
 * Picodollars in the display currency, to three significant digits but at least the
 * currency's own decimals. What is not zero never reads as zero.
 */
export function formatMoney(picodollars: string, display: Display): string {
  const { amount, shown } = convert(picodollars, display)
  return write(round(amount, places(amount, shown)), shown)
}

/** The same with every digit. */
export function formatExactMoney(picodollars: string, display: Display): string {
  const { amount, shown } = convert(picodollars, display)
  return write(amount, shown)
}

/** "from–to"; one figure when both ends read the same. */
export function formatMoneyRange(low: string, high: string, display: Display): string {
  const from = formatMoney(low, display)
  const to = formatMoney(high, display)
  return from === to ? from : `${from} – ${to}`
}

/** US dollars for `count` units (a million), from a price of `picodollars` for `per` units. */
export function dollarsFor(picodollars: string, per: number, count = 1_000_000): string {
  const value = { units: (BigInt(picodollars) * BigInt(count) * 10n ** 12n) / BigInt(per), scale: 24 }
  return plain(trim(value, 0), '')
}

/** What is said for `count` units, for a million of them; `null` for text that is no decimal number ≥ 0. */
export function perMillion(text: string, count: number): string | null {
  const said = parseDecimal(text)
  return said === null ? null : plain(trim({ units: said.units * BigInt(1_000_000 / count), scale: said.scale }, 0), '')
}

function convert(picodollars: string, display: Display): { amount: Decimal; shown: Display } {
  const rate = parseDecimal(display.rate)
  const usable = rate !== null && rate.units > 0n
  const shown = usable ? display : DOLLARS(display.locale)
  const { units, scale } = usable ? rate : { units: 1n, scale: 0 }
  return { amount: { units: BigInt(picodollars) * units, scale: DOLLAR_DIGITS + scale }, shown }
}

/** Decimals needed for three significant digits, the currency's own at the least. */
function places(amount: Decimal, display: Display): number {
  const own = ownPlaces(display)
  const digits = absolute(amount.units).toString().length
  return Math.max(own, SIGNIFICANT - (digits - amount.scale))
}

function round(amount: Decimal, decimals: number): Decimal {
  if (decimals >= amount.scale) return amount
  const factor = 10n ** BigInt(amount.scale - decimals)
  const half = factor / 2n
  const units = amount.units < 0n ? -((-amount.units + half) / factor) : (amount.units + half) / factor
  return { units, scale: decimals }
}

function write(amount: Decimal, display: Display): string {
  const own = ownPlaces(display)
  const decimal = trim(amount, amount.units === 0n ? 0 : own)
  const sign = decimal.units < 0n ? '−' : ''
  const number = plain({ units: absolute(decimal.units), scale: decimal.scale }, display.locale)
  const format = formatter(display)
  if (format === null) return `${sign}${number} ${display.currency}`
  const parts = format.formatToParts(1)
  const body = parts.findIndex((part) => part.type === 'integer')
  const before = parts.slice(0, body).map((part) => part.value)
  const after = parts.slice(body).filter((part) => part.type === 'currency' || part.type === 'literal')
  return sign + before.join('') + number + after.map((part) => part.value).join('')
}

/** Drop trailing zeros, but keep (or fill up to) `keep` decimals. */
function trim({ units, scale }: Decimal, keep: number): Decimal {
  while (scale > keep && units % 10n === 0n) {
    units /= 10n
    scale -= 1
  }
  return scale < keep ? { units: units * 10n ** BigInt(keep - scale), scale: keep } : { units, scale }
}

function plain({ units, scale }: Decimal, locale: string): string {
  const digits = units.toString().padStart(scale + 1, '0')
  const whole = BigInt(digits.slice(0, digits.length - scale))
  const text = locale === '' ? whole.toString() : whole.toLocaleString(locale)
  return scale === 0 ? text : `${text}.${digits.slice(-scale)}`
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value
}

const formatters = new Map<string, Intl.NumberFormat | null>()

function formatter({ currency, locale }: Display): Intl.NumberFormat | null {
  const key = `${locale} ${currency}`
  let format = formatters.get(key)
  if (format === undefined) {
    try {
      format = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol' })
    } catch {
      format = null // A code that is no currency code is written out.
    }
    formatters.set(key, format)
  }
  return format
}

function ownPlaces(display: Display): number {
  return formatter(display)?.resolvedOptions().minimumFractionDigits ?? 2
}
