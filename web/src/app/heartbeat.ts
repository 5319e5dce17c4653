import { conversation } from '../chat/conversation.svelte'
import { differs } from '../rooms/newest'
import { rooms } from '../rooms/rooms.svelte'
import { listen } from './channel'
import { session } from './session.svelte'

const CALM_MS = 12_000
const BUSY_MS = 3_000

/** Keeps this tab true to what other tabs, other doors and the server itself do. Returns the way to stop it. */
export function startHeartbeat(): () => void {
  let timer = setTimeout(beat, CALM_MS)
  let stopped = false

  async function beat(): Promise<void> {
    if (!document.hidden) await look().catch(() => undefined)
    if (!stopped) timer = setTimeout(beat, unsettled() ? BUSY_MS : CALM_MS)
  }

  const wake = (): void => {
    if (document.hidden) return
    clearTimeout(timer)
    void beat()
  }
  const quiet = listen((news) => {
    if (news.about === 'settings') void session.reread().catch(() => undefined)
    else if (news.about === 'prices') void conversation.refresh()
    else if (news.about === 'room-gone') {
      rooms.forget(news.id)
      if (conversation.room?.id === news.id) conversation.gone()
    } else if (news.about === 'room') {
      if (conversation.room?.id === news.id) void conversation.refresh()
      else void rooms.refresh().catch(() => undefined)
    }
  })
  document.addEventListener('visibilitychange', wake)
  addEventListener('online', wake)
  return () => {
    stopped = true
    clearTimeout(timer)
    quiet()
    document.removeEventListener('visibilitychange', wake)
    removeEventListener('online', wake)
  }
}

async function look(): Promise<void> {
  const before = conversation.room
  await rooms.refresh()
  if (before === null || conversation.room?.id !== before.id || conversation.pending.length > 0) return
  const now = rooms.find(before.id)
  if (now === undefined || differs(before, now) || unsettled()) await conversation.refresh()
}

/** Something in this room will still change by itself and nobody here follows it. */
function unsettled(): boolean {
  if (conversation.room === null || conversation.running !== undefined) return false
  return conversation.room.running || (conversation.totals?.open_calls ?? 0) > 0
}
