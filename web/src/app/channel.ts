/** What the tabs of one browser tell each other, so that none has to wait for its next poll. */
export type News =
  | { about: 'room'; id: string }
  | { about: 'room-gone'; id: string }
  | { about: 'settings' }
  | { about: 'prices' }
  | { about: 'signed-in'; principal: string }
  | { about: 'signed-out' }

const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('talkmeter')

export function tell(news: News): void {
  channel?.postMessage(news)
}

export function listen(handler: (news: News) => void): () => void {
  const receive = (event: MessageEvent): void => handler(event.data as News)
  channel?.addEventListener('message', receive)
  return () => channel?.removeEventListener('message', receive)
}
