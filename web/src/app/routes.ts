/** The places of the page. Every place has an address, so a reload or a second tab finds it again. */
export type Section = 'providers' | 'models' | 'defaults' | 'appearance' | 'users' | 'data'
export const SECTIONS: readonly Section[] = ['providers', 'models', 'defaults', 'appearance', 'users', 'data']

export type GatewaySection = 'calls' | 'keys' | 'budgets' | 'routes'
export const GATEWAY_SECTIONS: readonly GatewaySection[] = ['calls', 'keys', 'budgets', 'routes']

export type Place =
  | { view: 'new'; receipt: string | null }
  | { view: 'room'; roomId: string; receipt: string | null }
  | { view: 'settings'; section: Section }
  /** `query` says which calls are listed, as the address has it: empty, or beginning with "?". */
  | { view: 'gateway'; section: GatewaySection; query: string; receipt: string | null }

const ID = /^[A-Za-z0-9_-]{1,128}$/

/** The place an address names; anything unknown is the new chat. */
export function parsePlace(path: string, hash: string, search = ''): Place {
  const parts = path.split('/').filter((part) => part !== '')
  const anchor = hash.replace(/^#/, '')
  if (parts[0] === 'settings') return { view: 'settings', section: section(anchor) }
  if (/^\/settings(\/|$)/.test(anchor)) return { view: 'settings', section: section(anchor.split('/')[2] ?? '') }
  if (parts[0] === 'gateway') {
    const [name = '', rest = ''] = anchor.split('&', 2)
    const found = GATEWAY_SECTIONS.find((known) => known === name) ?? 'calls'
    return { view: 'gateway', section: found, query: search === '?' ? '' : search, receipt: receiptOf(rest) }
  }
  const receipt = receiptOf(anchor)
  const id = parts[1]
  if (parts[0] === 'room' && id !== undefined && ID.test(id)) return { view: 'room', roomId: id, receipt }
  return { view: 'new', receipt: null }
}

export function addressOf(place: Place): string {
  if (place.view === 'settings') return `/settings#${place.section}`
  if (place.view === 'gateway') {
    const receipt = place.receipt === null ? '' : `&receipt=${place.receipt}`
    return `/gateway${place.query}#${place.section}${receipt}`
  }
  const base = place.view === 'room' ? `/room/${place.roomId}` : '/'
  return place.receipt === null ? base : `${base}#receipt=${place.receipt}`
}

function receiptOf(anchor: string): string | null {
  const id = /^receipt=(.+)$/.exec(anchor)?.[1]
  return id !== undefined && ID.test(id) ? id : null
}

function section(name: string): Section {
  return SECTIONS.find((known) => known === name) ?? 'providers'
}
