import { go, place } from '../app/router.svelte'
import { notifyError } from '../app/notices.svelte'
import { ApiError } from '../api/errors'
import { randomId } from '../api/random-id'
import * as api from '../api/routes'
import type { AskAnswer, AskBody } from '../api/types'
import { rooms } from '../rooms/rooms.svelte'
import type { Conversation } from './conversation.svelte'
import type { Draft, Outgoing } from './draft.svelte'
import { changeOptions, optionsSettled } from './options.svelte'

const RETRY_MS = [500, 1_500, 4_000]

/** One question after the other, so that a second one never overtakes the room the first one makes. */
let line: Promise<unknown> = Promise.resolve()

/** Send what stands in the composer. Resolves to what went wrong, or null; the text is back in the draft then. */
export function send(conversation: Conversation, draft: Draft): Promise<unknown> {
  const outgoing = draft.take()
  conversation.pending = [...conversation.pending, outgoing]
  const options = draft.options
  const chosen = optionsSettled()
  const attempt = line.then(async () => {
    try {
      await chosen
      const startedIn = draft.roomId
      const asked = await askSurely(() => api.ask(bodyOf(outgoing, startedIn, options)))
      draft.sent(outgoing)
      const now = draft.options
      if (startedIn === null) draft.moveTo(asked.room.id)
      arrive(conversation, asked, startedIn)
      // Something was chosen while the room was being made.
      if (startedIn === null && now !== options) changeOptions(conversation, asked.room.id, now).catch(notifyError)
      return null
    } catch (error) {
      draft.restore(outgoing)
      return error
    } finally {
      conversation.pending = conversation.pending.filter((other) => other.clientId !== outgoing.clientId)
    }
  })
  line = attempt
  return attempt
}

/** Ask a question again in other words: a sibling of the first. Throws what went wrong. */
export async function askInstead(conversation: Conversation, questionId: string, text: string): Promise<void> {
  const question = conversation.turns.find((turn) => turn.id === questionId)?.message
  if (question === undefined) return
  const body: AskBody = {
    room_id: question.room_id,
    parent_id: question.parent_id,
    client_id: randomId(),
    text,
    attachment_ids: question.attachments.map((attachment) => attachment.id),
  }
  await optionsSettled()
  conversation.accept(await askSurely(() => api.ask(body)))
}

/** Questions whose other answer is being asked for. */
const again = new Set<string>()

/** Another answer to the same question: a sibling of the first. A second press before it has begun asks for no third. */
export async function answerAgain(conversation: Conversation, questionId: string): Promise<void> {
  if (again.has(questionId)) return
  again.add(questionId)
  const clientId = randomId()
  try {
    await optionsSettled()
    conversation.accept(await askSurely(() => api.answerAgain(questionId, clientId)))
  } catch (error) {
    notifyError(error)
  } finally {
    again.delete(questionId)
  }
}

function bodyOf(outgoing: Outgoing, roomId: string | null, options: Draft['options']): AskBody {
  const body: AskBody = {
    room_id: roomId,
    client_id: outgoing.clientId,
    text: outgoing.text,
    attachment_ids: outgoing.attachments.map((attachment) => attachment.id),
  }
  if (roomId === null && Object.keys(options).length > 0) body.room = options
  return body
}

/** Show the question, unless the person has moved on to another room meanwhile. */
function arrive(conversation: Conversation, asked: AskAnswer, startedIn: string | null): void {
  const inView = conversation.room?.id ?? null
  if (inView !== startedIn && inView !== asked.room.id) {
    rooms.put(asked.room)
    return
  }
  conversation.accept(asked)
  if (inView === null && place().view === 'new') {
    go({ view: 'room', roomId: asked.room.id, receipt: null }, { replace: true })
  }
}

/** When no answer came back, ask again: the client id makes sure that it counts once. */
async function askSurely(ask: () => Promise<AskAnswer>): Promise<AskAnswer> {
  for (const pause of RETRY_MS) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof ApiError) || !error.unanswered) throw error
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
  return ask()
}
