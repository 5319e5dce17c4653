import { announce } from '../app/notices.svelte'
import { tell } from '../app/channel'
import { followRun, isEnd } from '../api/follow'
import { isAbort, ApiError } from '../api/errors'
import * as api from '../api/routes'
import type { AskAnswer, Attachment, Message, Room, RunEnd, Totals } from '../api/types'
import { t } from '../i18n/index.svelte'
import { rooms } from '../rooms/rooms.svelte'
import { mergePage, placeQuestion } from './branch'
import { openFigures } from './chip'
import { Turn } from './turn.svelte'

/** A question on its way to the server. */
export interface Pending {
  clientId: string
  text: string
  attachments: Attachment[]
}

type Stage = 'empty' | 'loading' | 'ready' | 'missing' | 'failed'

/** The room in view: its branch of messages, its totals, and the answer in the making. */
export class Conversation {
  room = $state.raw<Room | null>(null)
  turns = $state.raw<Turn[]>([])
  totals = $state.raw<Totals | null>(null)
  older = $state<string | null>(null)
  loadingOlder = $state(false)
  pending = $state.raw<Pending[]>([])
  stage = $state<Stage>('empty')
  error = $state.raw<unknown>(null)

  private opened: string | null = null
  private opening: AbortController | null = null
  private following: { runId: string; line: AbortController } | null = null

  /** The answer that is being written, or the first one that waits. */
  get running(): Turn | undefined {
    return this.turns.find((turn) => turn.running)
  }

  get leafId(): string | null {
    return this.turns.at(-1)?.id ?? null
  }

  /** Bring a room into view; null is a chat that has no room yet. */
  async open(roomId: string | null): Promise<void> {
    const here = this.opened === roomId && this.stage !== 'failed' && this.stage !== 'missing'
    if (here) return
    this.leave()
    this.opened = roomId
    if (roomId === null) {
      this.stage = 'empty'
      return
    }
    this.stage = 'loading'
    this.room = rooms.find(roomId) ?? null
    const opening = new AbortController()
    this.opening = opening
    try {
      const answer = await api.room(roomId, opening.signal)
      this.room = answer.room
      this.turns = answer.messages.map((message) => new Turn(message))
      this.older = answer.older
      this.totals = answer.totals
      this.stage = 'ready'
      rooms.put(answer.room)
      this.watch()
    } catch (error) {
      if (isAbort(error) || opening.signal.aborted) return
      this.room = null
      this.error = error
      this.stage = error instanceof ApiError && error.status === 404 ? 'missing' : 'failed'
    }
  }

  /** The server's newest word about this room; other tabs and doors write into it too. */
  async refresh(): Promise<void> {
    const room = this.room
    if (room === null || this.stage !== 'ready') return
    try {
      const answer = await api.room(room.id)
      if (this.room?.id !== room.id) return
      const merged = mergePage(this.turns, answer.messages, (message) => new Turn(message), (turn, message) => turn.take(message))
      this.room = answer.room
      this.turns = merged.turns
      if (!merged.keptOlder) this.older = answer.older
      this.totals = answer.totals
      rooms.put(answer.room)
      this.watch()
    } catch (error) {
      if (error instanceof ApiError && error.status === 404 && this.room?.id === room.id) this.gone()
    }
  }

  /** `beforeChange` is called when the older messages are there, right before they are shown. */
  async loadOlder(beforeChange: () => void): Promise<void> {
    const room = this.room
    const before = this.older
    if (room === null || before === null || this.loadingOlder) return
    this.loadingOlder = true
    try {
      const page = await api.olderMessages(room.id, before)
      if (this.room?.id !== room.id || this.older !== before) return
      beforeChange()
      this.turns = [...page.messages.map((message) => new Turn(message)), ...this.turns]
      this.older = page.older
    } finally {
      this.loadingOlder = false
    }
  }

  /** A question was taken by the server: show it where it belongs and follow its answer. */
  accept(asked: AskAnswer): void {
    const fresh = this.room === null
    if (!fresh && this.room?.id !== asked.room.id) return
    this.room = asked.room
    this.opened = asked.room.id
    if (fresh) this.stage = 'ready'
    const branch = placeQuestion(this.turns, this.turnOf(asked.question), this.turnOf(asked.answer))
    if (branch === null) void this.refresh()
    else {
      this.markSiblings(branch, asked)
      this.turns = branch
    }
    rooms.put(asked.room)
    tell({ about: 'room', id: asked.room.id })
    this.watch()
  }

  /** Show the branch that another sibling of a message belongs to. */
  async switchTo(messageId: string): Promise<void> {
    if (this.room === null) return
    this.room = await rooms.change(this.room.id, { leaf_id: messageId })
    await this.refresh()
  }

  gone(): void {
    this.leave()
    this.stage = 'missing'
  }

  private leave(): void {
    this.opening?.abort()
    this.following?.line.abort()
    this.following = null
    this.room = null
    this.turns = []
    this.totals = null
    this.older = null
    this.error = null
    this.pending = []
  }

  private turnOf(message: Message): Turn {
    const turn = this.turns.find((known) => known.id === message.id)
    if (turn === undefined) return new Turn(message)
    turn.take(message)
    return turn
  }

  /** Earlier siblings are not on this branch, but the new one must know its number at once. */
  private markSiblings(branch: Turn[], asked: AskAnswer): void {
    for (const message of [asked.question, asked.answer]) {
      const turn = branch.find((known) => known.id === message.id)
      if (turn !== undefined && turn.message.siblings.length < message.siblings.length) turn.take(message)
    }
  }

  /** Follow the first answer in the making; the next one when that has ended. */
  private watch(): void {
    const turn = this.running
    const runId = turn?.message.run_id ?? null
    if (this.following !== null && this.following.runId === runId) return
    this.following?.line.abort()
    this.following = null
    if (turn === undefined || runId === null) return
    const line = new AbortController()
    this.following = { runId, line }
    void this.follow(turn, runId, line)
  }

  private async follow(turn: Turn, runId: string, line: AbortController): Promise<void> {
    try {
      await followRun({
        runId,
        signal: line.signal,
        onOffline: (offline) => (turn.offline = offline),
        onEvent: (event) => {
          if (line.signal.aborted) return
          if (event.type === 'started') this.begin(turn, event.data)
          if (isEnd(event)) this.finish(event.data)
          else if (!turn.apply(event)) line.abort()
        },
      })
    } catch {
      // The run is gone for good; the message itself tells what became of it.
    }
    if (this.following?.line !== line) return
    this.following = null
    if (turn.running) await this.refresh()
    else this.watch()
  }

  /** The call is open: our own count already stands beside the question. */
  private begin(answer: Turn, started: { entry_id: string; preflight_tokens: number }): void {
    const question = this.turns.find((turn) => turn.id === answer.message.parent_id)
    if (question !== undefined) question.message = { ...question.message, figures: openFigures(started) }
    announce(t('answer_started'))
  }

  private finish(end: RunEnd): void {
    for (const message of [end.question, end.answer]) {
      this.turns.find((turn) => turn.id === message.id)?.take(message)
    }
    this.totals = end.totals
    if (this.room !== null) {
      this.room = { ...this.room, running: this.running !== undefined }
      rooms.put(this.room)
      tell({ about: 'room', id: this.room.id })
    }
    announce(t(end.answer.status === 'failed' ? 'answer_failed' : 'answer_ended'))
  }
}

export const conversation = new Conversation()
