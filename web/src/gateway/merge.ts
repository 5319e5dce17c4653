import type { Call } from '../api/gateway'

/** The list after its beginning was read again: what is new comes first, what has settled is as it now stands. */
export function refreshed(shown: readonly Call[], beginning: readonly Call[]): Call[] {
  const fresh = new Set(beginning.map((call) => call.id))
  return [...beginning, ...shown.filter((call) => !fresh.has(call.id))]
}

/** A further page below what is shown; what stands above already is not shown twice. */
export function extended(shown: readonly Call[], page: readonly Call[]): Call[] {
  const known = new Set(shown.map((call) => call.id))
  return [...shown, ...page.filter((call) => !known.has(call.id))]
}
