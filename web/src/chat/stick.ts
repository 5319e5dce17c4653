/** Within this many pixels of the end the person is "at the bottom". */
const NEAR = 48

export interface ScrollState {
  top: number
  stuck: boolean
}

/**
 * Whether the view keeps to the end of the conversation. Only the person's own scrolling
 * upwards lets go; text growing under an unmoved view does not.
 */
export function nextStick(state: ScrollState, now: { top: number; height: number; view: number }): ScrollState {
  const distance = now.height - now.view - now.top
  if (distance <= NEAR) return { top: now.top, stuck: true }
  const up = now.top < state.top - 1
  return { top: now.top, stuck: state.stuck && !up }
}
