/** One event of a text/event-stream. */
export interface ServerEvent {
  id: string | null
  type: string
  data: string
}

/**
 * Parses a text/event-stream as the HTML standard describes it, fed with any
 * chunking of the text. Lines end in LF, CR or CRLF; comments are dropped.
 */
export class EventStreamParser {
  private rest = ''
  private first = true
  private endedInCarriageReturn = false
  private id: string | null = null
  private type = ''
  private data: string[] = []

  push(chunk: string): ServerEvent[] {
    let text = chunk
    if (this.first && text !== '') {
      this.first = false
      if (text.startsWith('\uFEFF')) text = text.slice(1)
    }
    if (this.endedInCarriageReturn && text !== '') {
      this.endedInCarriageReturn = false
      if (text.startsWith('\n')) text = text.slice(1)
    }
    this.endedInCarriageReturn = text.endsWith('\r')
    const lines = (this.rest + text).split(/\r\n|\r|\n/)
    this.rest = lines.pop() ?? ''
    const events: ServerEvent[] = []
    for (const line of lines) {
      const event = this.line(line)
      if (event !== null) events.push(event)
    }
    return events
  }

  private line(line: string): ServerEvent | null {
    if (line === '') return this.dispatch()
    if (line.startsWith(':')) return null
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const raw = colon === -1 ? '' : line.slice(colon + 1)
    const value = raw.startsWith(' ') ? raw.slice(1) : raw
    if (field === 'data') this.data.push(value)
    else if (field === 'event') this.type = value
    else if (field === 'id' && !value.includes('\0')) this.id = value
    return null
  }

  private dispatch(): ServerEvent | null {
    const event = { id: this.id, type: this.type === '' ? 'message' : this.type, data: this.data.join('\n') }
    const empty = this.data.length === 0
    this.type = ''
    this.data = []
    return empty ? null : event
  }
}
