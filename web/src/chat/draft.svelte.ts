import { randomId } from '../api/random-id'
import type { Attachment, RoomOptions } from '../api/types'

/** A question as it left the composer; kept until the server has taken it. */
export interface Outgoing {
  clientId: string
  text: string
  attachments: Attachment[]
}

interface Stored {
  text: string
  attachments: Attachment[]
  /** The id of an earlier attempt with this very content, so that it cannot be asked twice. */
  clientId: string | null
  outbox: Outgoing[]
  options: Partial<RoomOptions>
}

const PREFIX = 'talkmeter.draft.'
const OWNER = 'talkmeter.drafts-of'

const EMPTY: Stored = { text: '', attachments: [], clientId: null, outbox: [], options: {} }

/** What stands in the composer of a room, kept over reloads of this tab. */
export class Draft {
  text = $state('')
  attachments = $state.raw<Attachment[]>([])
  /** Choices for the room that the first message will make. */
  options = $state.raw<Partial<RoomOptions>>({})

  private clientId: string | null = null
  private outbox: Outgoing[] = []
  private forgotten = false

  constructor(public roomId: string | null) {
    const stored = read(keyOf(roomId))
    const lost = stored.outbox
    this.text = [...lost.map((outgoing) => outgoing.text), stored.text].filter((text) => text !== '').join('\n\n')
    this.attachments = [...lost.flatMap((outgoing) => outgoing.attachments), ...stored.attachments]
    this.options = stored.options
    const alone = lost.length === 1 && stored.text === '' && stored.attachments.length === 0
    this.clientId = alone ? (lost[0]?.clientId ?? null) : lost.length === 0 ? stored.clientId : null
  }

  get empty(): boolean {
    return this.text.trim() === '' && this.attachments.length === 0
  }

  write(text: string): void {
    if (text !== this.text) this.clientId = null
    this.text = text
    this.save()
  }

  attach(attachments: Attachment[]): void {
    this.attachments = attachments
    this.clientId = null
    this.save()
  }

  choose(options: Partial<RoomOptions>): void {
    this.options = { ...this.options, ...options }
    this.save()
  }

  /** Empty the composer; the question stays in the outbox until `sent` or `restore`. */
  take(): Outgoing {
    const outgoing: Outgoing = {
      clientId: this.clientId ?? randomId(),
      text: this.text,
      attachments: this.attachments,
    }
    this.outbox = [...this.outbox, outgoing]
    this.text = ''
    this.attachments = []
    this.clientId = null
    this.save()
    return outgoing
  }

  sent(outgoing: Outgoing): void {
    this.outbox = this.outbox.filter((other) => other.clientId !== outgoing.clientId)
    this.save()
  }

  /** Put a question that was refused back in front of whatever was typed since. */
  restore(outgoing: Outgoing): void {
    const untouched = this.empty
    this.outbox = this.outbox.filter((other) => other.clientId !== outgoing.clientId)
    this.text = untouched ? outgoing.text : `${outgoing.text}\n\n${this.text}`
    this.attachments = [...outgoing.attachments, ...this.attachments]
    this.clientId = untouched ? outgoing.clientId : null
    this.save()
  }

  /** The room now exists: what is left belongs to it. */
  moveTo(roomId: string): void {
    sessionStorage.removeItem(keyOf(this.roomId))
    drafts.delete(keyOf(this.roomId))
    this.roomId = roomId
    this.options = {}
    drafts.set(keyOf(roomId), this)
    this.save()
  }

  /** Nothing of it is kept any more, whatever still holds on to it. */
  forget(): void {
    this.forgotten = true
    this.text = ''
    this.attachments = []
    this.outbox = []
    this.options = {}
  }

  private save(): void {
    if (this.forgotten) return
    const stored: Stored = {
      text: this.text,
      attachments: this.attachments,
      clientId: this.clientId,
      outbox: this.outbox,
      options: this.options,
    }
    const nothing = this.empty && this.outbox.length === 0 && Object.keys(this.options).length === 0
    try {
      if (nothing) sessionStorage.removeItem(keyOf(this.roomId))
      else sessionStorage.setItem(keyOf(this.roomId), JSON.stringify(stored))
    } catch {
      // A full or forbidden storage costs only the draft's survival of a reload.
    }
  }
}

const drafts = new Map<string, Draft>()

/** The draft of a room, the same one for as long as this tab lives; null is the chat that has no room yet. */
export function draftOf(roomId: string | null): Draft {
  const key = keyOf(roomId)
  let draft = drafts.get(key)
  if (draft === undefined) {
    draft = new Draft(roomId)
    drafts.set(key, draft)
  }
  return draft
}

/** Who was at this tab last, also before a reload; null where nobody knows. */
export function draftsOwner(): string | null {
  try {
    return sessionStorage.getItem(OWNER)
  } catch {
    return null
  }
}

/** Drafts are one person's: whoever else signs in on this tab finds none, also after a reload. */
export function draftsBelongTo(principal: string): void {
  try {
    if (draftsOwner() === principal) return
    forgetDrafts()
    sessionStorage.setItem(OWNER, principal)
  } catch {
    // A forbidden storage has kept nothing.
  }
}

export function forgetDrafts(): void {
  for (const draft of drafts.values()) draft.forget()
  drafts.clear()
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key)
    sessionStorage.removeItem(OWNER)
  } catch {
    // A forbidden storage has kept nothing.
  }
}

function keyOf(roomId: string | null): string {
  return `${PREFIX}${roomId ?? 'new'}`
}

function read(key: string): Stored {
  try {
    const text = sessionStorage.getItem(key)
    return text === null ? EMPTY : { ...EMPTY, ...(JSON.parse(text) as Partial<Stored>) }
  } catch {
    return EMPTY
  }
}
