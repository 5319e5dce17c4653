import { isAbort } from '../api/errors'
import * as api from '../api/routes'
import type { Preview, PreviewBody, Rung } from '../api/types'
import { keyOf, rank } from './windows'

const DEBOUNCE_MS = 150

/** What the next request would hold and cost, counted by the server while somebody types. */
export class Previewer {
  current = $state.raw<Preview | null>(null)
  /** True while the figures belong to an earlier text. */
  stale = $state(false)
  error = $state.raw<unknown>(null)

  private timer: ReturnType<typeof setTimeout> | undefined
  private asking: AbortController | null = null

  ask(body: PreviewBody): void {
    this.stale = true
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.fetch(body), DEBOUNCE_MS)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.asking?.abort()
  }

  private async fetch(body: PreviewBody): Promise<void> {
    this.asking?.abort()
    const asking = new AbortController()
    this.asking = asking
    try {
      const preview = await api.preview(body, asking.signal)
      if (asking.signal.aborted) return
      this.current = preview
      this.error = null
      this.stale = false
    } catch (error) {
      if (isAbort(error) || asking.signal.aborted) return
      this.current = null
      this.error = error
      this.stale = false
    }
  }
}

/** The rung of the window in force: what would go out if Enter was pressed now. */
export function rungInForce(preview: Preview): Rung | undefined {
  return preview.ladder.find((rung) => keyOf(rung.window) === keyOf(preview.window))
}

/** The rungs in the order of their windows. */
export function ladderOf(preview: Preview): Rung[] {
  return [...preview.ladder].sort((a, b) => rank(a.window) - rank(b.window))
}
