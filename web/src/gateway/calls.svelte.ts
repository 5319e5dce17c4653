import * as api from '../api/gateway'
import type { Call } from '../api/gateway'
import { isAbort } from '../api/errors'
import type { Totals } from '../api/types'
import { explain } from '../i18n/index.svelte'
import { askedOf, type CallFilter } from './call-filter'
import { extended, refreshed } from './merge'

export const PAGE = 50
const MOST = 200
const EVERY_MS = 3_000

/** The list in view: its first page is read again now and then, further ones on request. */
export class CallList {
  calls = $state.raw<readonly Call[] | null>(null)
  totals = $state.raw<Totals | null>(null)
  next = $state<string | null>(null)
  problem = $state<string | null>(null)
  busy = $state(false)

  private asking = new AbortController()
  private timer: ReturnType<typeof setTimeout> | undefined
  private filter: CallFilter | null = null

  /** Shows what the filter is for; what was asked before is not waited for. */
  async open(filter: CallFilter): Promise<void> {
    this.stop()
    this.filter = filter
    this.busy = true
    await this.read(PAGE, (page) => {
      this.calls = page.calls
      this.next = page.next
    })
    this.busy = false
  }

  async more(): Promise<void> {
    if (this.filter === null || this.next === null || this.busy) return
    this.busy = true
    const asked = askedOf(this.filter, Date.now())
    asked.set('cursor', this.next)
    asked.set('limit', String(PAGE))
    asked.set('totals', '0')
    const { signal } = this.asking
    try {
      const page = await api.calls(asked, signal)
      this.calls = extended(this.calls ?? [], page.calls)
      this.next = page.next
    } catch (error) {
      if (!isAbort(error)) this.problem = explain(error)
    }
    this.busy = false
  }

  /** Reads the beginning again and again while somebody looks; rests longer where the server needs longer. */
  follow(): () => void {
    const again = async (): Promise<void> => {
      const began = performance.now()
      if (document.visibilityState === 'visible') await this.refresh()
      this.timer = setTimeout(() => void again(), EVERY_MS + 10 * (performance.now() - began))
    }
    this.timer = setTimeout(() => void again(), EVERY_MS)
    return () => clearTimeout(this.timer)
  }

  stop(): void {
    this.asking.abort()
    this.asking = new AbortController()
  }

  private async refresh(): Promise<void> {
    const shown = this.calls?.length ?? 0
    if (this.busy || shown > MOST) return
    await this.read(Math.max(PAGE, shown), (page) => {
      // In every other order what is beyond the beginning may have moved.
      const whole = this.filter?.sort !== 'newest' || page.next === null || shown <= PAGE
      this.calls = whole ? page.calls : refreshed(this.calls ?? [], page.calls)
      if (whole) this.next = page.next
    })
  }

  private async read(limit: number, take: (page: api.CallPage) => void): Promise<void> {
    if (this.filter === null) return
    const asked = askedOf(this.filter, Date.now())
    asked.set('limit', String(limit))
    const { signal } = this.asking
    try {
      const page = await api.calls(asked, signal)
      if (signal.aborted) return
      take(page)
      this.totals = page.totals ?? null
      this.problem = null
    } catch (error) {
      if (!isAbort(error)) this.problem = explain(error)
    }
  }
}
