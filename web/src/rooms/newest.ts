import type { Room } from '../api/types'
import { byPlace } from './group'

/**
 * The list after its newest rooms were asked for again. Which of them stood in their range when that was `asked`
 * and are not there any more are gone; what came to the list since, or stands further down, stays.
 */
export function takeNewest(list: readonly Room[], newest: readonly Room[], complete: boolean, asked: ReadonlySet<Room>): Room[] {
  const fresh = new Set(newest.map((room) => room.id))
  const last = newest.at(-1)
  const further = (room: Room): boolean => !complete && last !== undefined && byPlace(room, last) >= 0
  const kept = list.filter((room) => !fresh.has(room.id) && (!asked.has(room) || further(room)))
  return [...kept, ...newest].sort(byPlace)
}

/** Whether what a room says of itself is something else now: its place, its answers, its name or its choices. */
export function differs(a: Room, b: Room): boolean {
  const said = (room: Room): string =>
    JSON.stringify([
      room.leaf_id, room.message_count, room.running, room.last_used_at, room.title, room.model, room.provider_id, room.window,
      room.system_prompt, room.temperature, room.top_p, room.max_tokens,
    ])
  return said(a) !== said(b)
}
