import { settings } from '../app/session.svelte'
import type { HistoryWindow, RoomOptions } from '../api/types'
import { rooms } from '../rooms/rooms.svelte'
import type { Conversation } from './conversation.svelte'
import type { Draft } from './draft.svelte'

/** What the room itself says; null where the settings' default holds. */
export function ownOptions(conversation: Conversation, draft: Draft): RoomOptions {
  const none: RoomOptions = {
    model: null,
    provider_id: null,
    window: null,
    system_prompt: null,
    temperature: null,
    top_p: null,
    max_tokens: null,
  }
  return conversation.room ?? { ...none, ...draft.options }
}

/** What holds when the next question is asked. */
export function modelInForce(own: RoomOptions): { model: string; providerId: string | null } {
  if (own.model !== null) return { model: own.model, providerId: own.provider_id }
  return { model: settings().default_model, providerId: settings().default_provider_id }
}

export function windowInForce(own: RoomOptions): HistoryWindow {
  return own.window ?? settings().default_window
}

/** Choices on their way to the server, one after the other. */
let choices: Promise<unknown> = Promise.resolve()

/** Resolves when everything chosen until now has been taken or refused; what is asked next goes by it. */
export function optionsSettled(): Promise<unknown> {
  return choices
}

/** Set options of the room in view, or of the room that the first message will make. */
export async function setOptions(conversation: Conversation, draft: Draft, change: Partial<RoomOptions>): Promise<void> {
  const room = conversation.room
  if (room === null) draft.choose(change)
  else await changeOptions(conversation, room.id, change)
}

export async function changeOptions(conversation: Conversation, roomId: string, change: Partial<RoomOptions>): Promise<void> {
  const choice = choices.then(() => rooms.change(roomId, change))
  choices = choice.catch(() => undefined)
  const changed = await choice
  if (conversation.room?.id === roomId) conversation.room = changed
}
