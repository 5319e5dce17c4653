import { locale } from '../i18n/index.svelte'

/** A moment in microseconds as date and time of day; the zone of the browser, or another with its name behind. */
export function timeOf(microseconds: number, zone?: string): string {
  const style = { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  return new Date(microseconds / 1000).toLocaleString(locale(), zone === undefined ? style : { ...style, timeZone: zone })
}

export function dayOf(microseconds: number): string {
  return new Date(microseconds / 1000).toLocaleDateString(locale(), { dateStyle: 'medium' })
}

/** The last microsecond's end of a day such as 2026-11-28 by the browser's clock: what ends "on" a day ends with it. */
export function endOfDay(text: string): number | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (match === null) return null
  return new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3]) + 1).getTime() * 1000
}

/** The day on which something ends that ends at a moment, as a date field takes it. */
export function dayBefore(microseconds: number | null): string {
  if (microseconds === null) return ''
  const then = new Date(microseconds / 1000 - 1)
  const two = (figure: number): string => String(figure).padStart(2, '0')
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())}`
}
