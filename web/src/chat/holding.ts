import { createContext } from 'svelte'

/** Changes the conversation while what `place` finds, before and after, stays where it is on the screen. */
export type Hold = (place: () => Element | null, change: () => Promise<void>) => Promise<void>

export const [holding, provideHolding] = createContext<Hold>()
