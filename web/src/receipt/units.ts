import { t, type PlainKey } from '../i18n/index.svelte'

const UNITS: Record<string, PlainKey> = {
  input: 'unit_input',
  cached_input: 'unit_cached_input',
  output: 'unit_output',
  audio_input: 'unit_audio_input',
  audio_output: 'unit_audio_output',
  image_input: 'unit_image_input',
  image_output: 'unit_image_output',
}

/** The name of what a price is for; units we have no word for keep their own name. */
export function unitName(unit: string): string {
  const key = UNITS[unit]
  return key === undefined ? unit : t(key)
}
