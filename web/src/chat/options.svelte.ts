import { settings } from '../app/session.svelte'
import type { RoomOptions } from '../api/types'
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

export function windowInForce(own: RoomOptions): number {
  return own.window ?? settings().default_window
}

/** Set options of the room in view, or of the room that the first message will make. */
export async function setOptions(conversation: Conversation, draft: Draft, change: Partial<RoomOptions>): Promise<void> {
  const room = conversation.room
  if (room === null) {
    draft.choose(change)
    return
  }
  const changed = await rooms.change(room.id, change)
  if (conversation.room?.id === room.id) conversation.room = changed
}
