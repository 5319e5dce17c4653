import { whenAnswered } from '../api/client'
import { ApiError } from '../api/errors'
import { explain } from '../i18n/index.svelte'

export interface Notice {
  id: number
  kind: 'info' | 'error'
  text: string
  /** True until the server answers again. */
  unanswered?: boolean
}

const LIFETIME_MS = 7_000

let next = 1
let notices = $state.raw<Notice[]>([])
let spoken = $state('')

export const shown = (): readonly Notice[] => notices
export const announcement = (): string => spoken

/** A short message in the corner; errors stay until dismissed. */
export function notify(kind: Notice['kind'], text: string, unanswered = false): void {
  const notice = { id: next++, kind, text, unanswered }
  notices = [...notices.filter((other) => other.text !== text), notice]
  if (kind === 'info') setTimeout(() => dismiss(notice.id), LIFETIME_MS)
}

export function notifyError(error: unknown): void {
  notify('error', explain(error), error instanceof ApiError && error.unanswered)
}

whenAnswered(() => {
  if (notices.some((notice) => notice.unanswered)) notices = notices.filter((notice) => !notice.unanswered)
})

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
