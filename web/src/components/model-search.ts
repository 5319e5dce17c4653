import type { Model } from '../api/types'

/** Models whose name or provider holds every word typed; those that begin with it come first. */
export function searchModels(models: readonly Model[], typed: string): Model[] {
  const words = typed.toLowerCase().split(/\s+/).filter((word) => word !== '')
  const found = models.filter((model) => {
    const text = `${model.id} ${model.provider_name}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
  const start = words[0] ?? ''
  const rank = (model: Model): number => (model.id.toLowerCase().startsWith(start) ? 0 : 1)
  return found.sort((a, b) => rank(a) - rank(b))
}
