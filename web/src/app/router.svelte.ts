import { addressOf, parsePlace, type Place } from './routes'

let current = $state.raw<Place>(parsePlace(location.pathname, location.hash, location.search))

export function place(): Place {
  return current
}

export function go(next: Place, options: { replace?: boolean } = {}): void {
  const address = addressOf(next)
  if (options.replace === true) history.replaceState(null, '', address)
  else if (address !== location.pathname + location.search + location.hash) history.pushState(null, '', address)
  current = next
}

/** For links: follow them within the page unless the person asked for a new tab. */
export function follow(event: MouseEvent, next: Place): void {
  if (event.defaultPrevented || event.button !== 0) return
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  event.preventDefault()
  go(next)
}

/** Open or close the receipt of an entry beside the room or the list in view. */
export function showReceipt(entryId: string | null): void {
  if (current.view === 'settings') return
  if (entryId === current.receipt) return
  go({ ...current, receipt: entryId }, { replace: current.receipt !== null })
}

export function listenToHistory(): () => void {
  const read = (): void => {
    current = parsePlace(location.pathname, location.hash, location.search)
  }
  addEventListener('popstate', read)
  addEventListener('hashchange', read)
  return () => {
    removeEventListener('popstate', read)
    removeEventListener('hashchange', read)
  }
}
