import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cutBlocks } from '../../src/chat/blocks'

const turns = (from: number, to: number): { id: string }[] =>
  Array.from({ length: to - from }, (_, i) => ({ id: String(from + i) }))
const firsts = (blocks: { id: string }[][]): string[] => blocks.map((block) => block[0]?.id ?? '')

describe('cutBlocks', () => {
  test('borders stay when messages come at either end', () => {
    const starts = new Set<string>()
    const before = firsts(cutBlocks(turns(100, 160), starts))
    expect(before).toEqual(['100', '130'])
    expect(firsts(cutBlocks(turns(40, 160), starts))).toEqual(['40', '70', ...before])
    expect(firsts(cutBlocks(turns(40, 163), starts))).toEqual(['40', '70', ...before, '160'])
  })

  test('nothing is lost, nothing doubled, no block is larger than a screen or two', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(90), fc.nat(90)), { maxLength: 6 }), (growth) => {
        const starts = new Set<string>()
        let [from, to] = [1000, 1000]
        for (const [older, newer] of growth) {
          from -= older
          to += newer
          const blocks = cutBlocks(turns(from, to), starts)
          expect(blocks.flat().map((turn) => turn.id)).toEqual(turns(from, to).map((turn) => turn.id))
          for (const block of blocks) expect(block.length).toBeLessThanOrEqual(30)
        }
      }),
    )
  })
})
