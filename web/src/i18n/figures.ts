import { t, locale } from './index.svelte'

/** The seed's word for what is missing: never 0. */
export const MISSING = '—'

export function number(value: number | null): string {
  return value === null ? MISSING : value.toLocaleString(locale())
}

/** "1,204 tokens" */
export function tokens(value: number): string {
  return t('tokens', { n: value })
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB']
  let size = value
  let unit = 0
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000
    unit += 1
  }
  return `${size.toLocaleString(locale(), { maximumFractionDigits: unit === 0 ? 0 : 1 })} ${units[unit] ?? ''}`
}

/** A context window: 128,000 reads as 128k. */
export function kilo(value: number): string {
  return value >= 1000 ? `${Math.round(value / 1000).toLocaleString(locale())}k` : String(value)
}

/** A moment in microseconds, as date and time of day. */
export function moment(microseconds: number): string {
  return new Date(microseconds / 1000).toLocaleString(locale(), { dateStyle: 'medium', timeStyle: 'short' })
}

/** The span between two moments in microseconds: in milliseconds where seconds would read as none. */
export function took(from: number, to: number): string {
  const span = Math.max(0, to - from)
  if (span >= 1_000_000) return seconds(from, to)
  return t('milliseconds', { n: span > 0 && span < 1000 ? '< 1' : Math.round(span / 1000) })
}

/** The span between two moments in microseconds, in seconds. */
export function seconds(from: number, to: number): string {
  const span = Math.max(0, to - from) / 1_000_000
  return t('seconds', { n: span.toLocaleString(locale(), { maximumFractionDigits: span < 10 ? 2 : 1 }) })
}
