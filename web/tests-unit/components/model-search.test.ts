import { expect, test } from 'vitest'
import type { Model } from '../../src/api/types'
import { searchModels } from '../../src/components/model-search'

const models = [
  { id: 'gpt-4o-mini', provider_name: 'OpenAI' },
  { id: 'llama3', provider_name: 'Ollama' },
  { id: 'openchat', provider_name: 'Ollama' },
] as Model[]
const found = (typed: string): string[] => searchModels(models, typed).map((model) => model.id)

test('every word typed must be in the name or the provider', () => {
  expect(found('')).toEqual(['gpt-4o-mini', 'llama3', 'openchat'])
  expect(found('4o MINI')).toEqual(['gpt-4o-mini'])
  expect(found('ollama 3')).toEqual(['llama3'])
  expect(found('nothing')).toEqual([])
})

test('names that begin with it come first', () => {
  expect(found('open')).toEqual(['openchat', 'gpt-4o-mini'])
})
