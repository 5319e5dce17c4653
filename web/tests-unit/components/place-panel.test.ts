import { expect, test } from 'vitest'
import { placePanel } from '../../src/components/place-panel'

const view = { width: 360, height: 640 }

test('on the side asked for, when it fits there', () => {
  const place = placePanel({ left: 20, top: 500, width: 80, height: 36 }, { width: 200, height: 300 }, view, 'above', 'start')
  expect(place).toMatchObject({ left: 20, top: 194 })
})

test('on the other side, when only that has the room', () => {
  const place = placePanel({ left: 20, top: 40, width: 80, height: 36 }, { width: 200, height: 300 }, view, 'above', 'start')
  expect(place.top).toBe(82)
})

test('never outside the view', () => {
  const wide = placePanel({ left: 300, top: 600, width: 40, height: 36 }, { width: 344, height: 2000 }, view, 'above', 'start')
  expect(wide).toEqual({ left: 8, top: 8, maxHeight: 586 })
  const end = placePanel({ left: 0, top: 0, width: 40, height: 36 }, { width: 200, height: 100 }, view, 'below', 'end')
  expect(end.left).toBe(8)
})
