import type { Message, RunEvent } from '../api/types'
import { LiveText } from './live-text'

/** One message on the page; while its answer is in the making, also what has come of it so far. */
export class Turn {
  message = $state.raw() as Message
  text = $state('')
  /** Seconds the model has been silent before its first token. */
  thinking = $state<number | null>(null)
  stopping = $state<'drain' | 'cut' | null>(null)
  offline = $state(false)
  /** The question in other words, while somebody edits it. */
  editing = $state<string | null>(null)

  private live: LiveText
  private frame = 0

  constructor(message: Message) {
    this.message = message
    this.text = message.text
    this.live = new LiveText(message.text)
  }

  get id(): string {
    return this.message.id
  }

  get running(): boolean {
    return this.message.status === 'streaming' || this.message.status === 'queued'
  }

  /** Take the server's word. Text that a stream already brought further stays until that stream ends. */
  take(message: Message): void {
    const followed = message.status === 'streaming' && this.running && message.text.length < this.live.text.length
    this.message = message
    if (followed) return
    this.live.reset(message.text)
    this.show()
    if (!this.running) {
      this.stopping = null
      this.thinking = null
      this.offline = false
    }
  }

  /** False when the stream has a gap and must be replayed from its start. */
  apply(event: RunEvent): boolean {
    switch (event.type) {
      case 'started':
        this.message = { ...this.message, status: 'streaming', model: event.data.model }
        return true
      case 'delta':
        this.thinking = null
        if (!this.live.merge(event.data.offset, event.data.text)) return false
        this.showSoon()
        return true
      case 'reasoning':
        this.thinking = event.data.seconds
        return true
      case 'stopping':
        this.stopping = event.data.mode
        return true
      default:
        return true
    }
  }

  /** Many deltas arrive between two frames; the page is drawn once for all of them. */
  private showSoon(): void {
    if (this.frame !== 0) return
    const draw = (): void => {
      this.frame = 0
      this.text = this.live.text
    }
    this.frame = document.hidden ? window.setTimeout(draw, 200) : requestAnimationFrame(draw)
  }

  private show(): void {
    this.text = this.live.text
  }
}
