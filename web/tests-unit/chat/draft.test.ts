import { beforeEach, describe, expect, test } from 'vitest'
import type { Attachment } from '../../src/api/types'
import { Draft, draftOf, draftsBelongTo, forgetDrafts } from '../../src/chat/draft.svelte'

const picture: Attachment = { id: 'p', name: 'p.png', mime: 'image/png', bytes: 1, width: 1, height: 1 }

beforeEach(() => sessionStorage.clear())

describe('a draft', () => {
  test('survives a reload, each room with its own', () => {
    new Draft('r1').write('하나')
    new Draft('r2').write('둘')
    expect(new Draft('r1').text).toBe('하나')
    expect(new Draft('r2').text).toBe('둘')
    expect(new Draft(null).text).toBe('')
  })

  test('a refused question comes back whole, with the id of its attempt', () => {
    const draft = new Draft('r')
    draft.write('질문')
    draft.attach([picture])
    const outgoing = draft.take()
    expect(draft.empty).toBe(true)
    draft.restore(outgoing)
    expect([draft.text, draft.attachments]).toEqual(['질문', [picture]])
    expect(draft.take().clientId).toBe(outgoing.clientId)
  })

  test('a changed question is another question', () => {
    const draft = new Draft('r')
    draft.write('질문')
    const outgoing = draft.take()
    draft.restore(outgoing)
    draft.write('질문!')
    expect(draft.take().clientId).not.toBe(outgoing.clientId)
  })

  test('what was typed meanwhile stays behind the refused question', () => {
    const draft = new Draft('r')
    draft.write('first')
    const outgoing = draft.take()
    draft.write('second')
    draft.restore(outgoing)
    expect(draft.text).toBe('first\n\nsecond')
  })

  test('a question on its way when the page reloads is there again under the same id', () => {
    const draft = new Draft('r')
    draft.write('질문')
    const outgoing = draft.take()
    const reloaded = new Draft('r')
    expect(reloaded.text).toBe('질문')
    expect(reloaded.take().clientId).toBe(outgoing.clientId)
  })

  test('a question that arrived leaves nothing behind', () => {
    const draft = new Draft('r')
    draft.write('질문')
    draft.sent(draft.take())
    expect(sessionStorage.length).toBe(0)
    expect(new Draft('r').text).toBe('')
  })

  test('unreadable storage is an empty draft', () => {
    sessionStorage.setItem('talkmeter.draft.r', '{broken')
    expect(new Draft('r').text).toBe('')
  })
})

describe('drafts are one person’s', () => {
  test('whoever signs in again finds theirs, also after a reload', () => {
    draftsBelongTo('kim')
    draftOf('r').write('half a thought')
    draftsBelongTo('kim')
    expect(draftOf('r').text).toBe('half a thought')
    expect(new Draft('r').text).toBe('half a thought')
  })

  test('anybody else finds none', () => {
    draftsBelongTo('kim')
    draftOf(null).write('half a thought')
    draftsBelongTo('lee')
    expect([draftOf(null).text, new Draft(null).text]).toEqual(['', ''])
  })

  test('nobody finds one whose writer is not known', () => {
    new Draft('r').write('half a thought')
    draftsBelongTo('kim')
    expect(new Draft('r').text).toBe('')
  })

  test('a forgotten draft is kept no more, whoever still writes into it', () => {
    const draft = draftOf('r')
    draft.write('half a thought')
    const outgoing = draft.take()
    forgetDrafts()
    draft.restore(outgoing)
    expect(sessionStorage.length).toBe(0)
    expect(draftOf('r').text).toBe('')
  })
})
