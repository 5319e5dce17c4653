import { t, type PlainKey } from '../i18n/index.svelte'

const UNITS: Record<string, PlainKey> = {
  input: 'unit_input',
  cached_input: 'unit_cached_input',
  output: 'unit_output',
  audio_input: 'unit_audio_input',
  audio_output: 'unit_audio_output',
  image_input: 'unit_image_input',
  image_output: 'unit_image_output',
  web_search: 'unit_web_search',
  file_search: 'unit_file_search',
  code_interpreter: 'unit_code_interpreter',
  image_generation: 'unit_image_generation',
}

/** Tools that run at the provider and cost so much for each use. */
export const TOOLS: readonly string[] = ['web_search', 'file_search', 'code_interpreter', 'image_generation']

/** How many of a unit a price is said for, as providers say it. */
export const saidFor = (unit: string): number => (TOOLS.includes(unit) ? 1_000 : 1_000_000)

const TIERS: Record<string, PlainKey> = { batch: 'tier_batch', flex: 'tier_flex', priority: 'tier_priority' }

/** The name of a service tier that is not the usual one; tiers we have no word for keep their own name. */
export function tierName(tier: string): string {
  const key = TIERS[tier]
  return key === undefined ? tier : t(key)
}

/** The name of what a price is for; units we have no word for keep their own name. */
export function unitName(unit: string): string {
  const key = UNITS[unit]
  return key === undefined ? unit : t(key)
}
