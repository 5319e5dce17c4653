import { explain } from '../i18n/index.svelte'

export interface Notice {
  id: number
  kind: 'info' | 'error'
  text: string
}

const LIFETIME_MS = 7_000

let next = 1
let notices = $state.raw<Notice[]>([])
let spoken = $state('')

export const shown = (): readonly Notice[] => notices
export const announcement = (): string => spoken

/** A short message in the corner; errors stay until dismissed. */
export function notify(kind: Notice['kind'], text: string): void {
  const notice = { id: next++, kind, text }
  notices = [...notices.filter((other) => other.text !== text), notice]
  if (kind === 'info') setTimeout(() => dismiss(notice.id), LIFETIME_MS)
}

export function notifyError(error: unknown): void {
  notify('error', explain(error))
}

export function dismiss(id: number): void {
  notices = notices.filter((notice) => notice.id !== id)
}

/** Said by a screen reader, shown to nobody. */
export function announce(text: string): void {
  spoken = ''
  requestAnimationFrame(() => {
    spoken = text
  })
}
