/** Which calls are listed, as the address of the page has it and as the server is asked. Pure. */

export const SORTS = ['newest', 'cost', 'tokens', 'duration'] as const
export type Sort = (typeof SORTS)[number]
export const SPANS = ['hour', 'day', 'week', 'month', 'all', 'days'] as const
/** Back from now; "days" is from one calendar day to another. */
export type Span = (typeof SPANS)[number]

/** Filters that are a text or nothing. */
export const TEXTS = [
  'model', 'served', 'key_id', 'user', 'provider_id', 'surface', 'endpoint', 'outcome', 'provenance', 'state', 'tag', 'end_user',
] as const
export type TextFilter = (typeof TEXTS)[number]

export interface CallFilter extends Record<TextFilter, string> {
  span: Span
  /** As 2026-11-28, where the span is "days". */
  first: string
  last: string
  unpriced: boolean
  sort: Sort
}

export function noFilter(): CallFilter {
  const texts = Object.fromEntries(TEXTS.map((name) => [name, ''])) as Record<TextFilter, string>
  return { ...texts, span: 'week', first: '', last: '', unpriced: false, sort: 'newest' }
}

/** What the address asks for; what it cannot ask for is as if it were not there. */
export function filterOf(query: string): CallFilter {
  const given = new URLSearchParams(query)
  const found = noFilter()
  for (const name of TEXTS) found[name] = given.get(name)?.slice(0, 300) ?? ''
  found.span = SPANS.find((span) => span === given.get('span')) ?? found.span
  found.first = day(given.get('first'))
  found.last = day(given.get('last'))
  found.unpriced = given.get('unpriced') === '1'
  found.sort = SORTS.find((sort) => sort === given.get('sort')) ?? found.sort
  return found
}

/** Only what differs from the beginning, so that the plain list has the plain address. */
export function queryOf(filter: CallFilter): string {
  const given = new URLSearchParams()
  const plain = noFilter()
  for (const name of TEXTS) if (filter[name] !== '') given.set(name, filter[name])
  if (filter.span !== plain.span) given.set('span', filter.span)
  if (filter.span === 'days' && filter.first !== '') given.set('first', filter.first)
  if (filter.span === 'days' && filter.last !== '') given.set('last', filter.last)
  if (filter.unpriced) given.set('unpriced', '1')
  if (filter.sort !== plain.sort) given.set('sort', filter.sort)
  const text = given.toString()
  return text === '' ? '' : `?${text}`
}

const HOURS: Partial<Record<Span, number>> = { hour: 1, day: 24, week: 7 * 24, month: 30 * 24 }

/** The server's query at a moment (ms). Days are those of the person's own clock. */
export function askedOf(filter: CallFilter, now: number): URLSearchParams {
  const asked = new URLSearchParams()
  for (const name of TEXTS) if (filter[name] !== '') asked.set(name, filter[name])
  const hours = HOURS[filter.span]
  if (hours !== undefined) asked.set('from', micro(now - hours * 3_600_000))
  if (filter.span === 'days') {
    if (filter.first !== '') asked.set('from', micro(midnight(filter.first)))
    if (filter.last !== '') asked.set('to', micro(midnight(filter.last, 1)))
  }
  if (filter.unpriced) asked.set('unpriced', '1')
  if (filter.sort !== 'newest') asked.set('sort', filter.sort)
  return asked
}

/** How many filters are set, beside the span and the order. */
export function countOf(filter: CallFilter): number {
  return TEXTS.filter((name) => filter[name] !== '').length + (filter.unpriced ? 1 : 0)
}

function micro(milliseconds: number): string {
  return String(Math.max(0, Math.floor(milliseconds)) * 1000)
}

function midnight(text: string, later = 0): number {
  const [year = 1970, month = 1, date = 1] = text.split('-').map(Number)
  return new Date(year, month - 1, date + later).getTime()
}

function day(text: string | null): string {
  return text !== null && /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : ''
}
