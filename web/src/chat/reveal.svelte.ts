/** A message somebody wants to see; a new object each time, so that asking twice shows it twice. */
let asked = $state.raw<{ id: string } | null>(null)

export const revealed = (): { id: string } | null => asked

/** Bring a message of the room in view before the reader's eyes. */
export function reveal(messageId: string): void {
  asked = { id: messageId }
}
