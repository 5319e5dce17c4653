import { TOOLS } from './units'

const REASON = /^(.*): (\w+) has no price/

/** The first tool without a price among the reasons why a call has no cost, such as `gpt-4.1: code_interpreter has no price (used 2 times)`. */
export function unpricedTool(reasons: readonly string[]): { model: string; unit: string } | null {
  for (const reason of reasons) {
    const [, model, unit] = REASON.exec(reason) ?? []
    if (model !== undefined && unit !== undefined && TOOLS.includes(unit)) return { model, unit }
  }
  return null
}
