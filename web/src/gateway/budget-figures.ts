import type { Amount, Budget } from '../api/gateway'

export interface Shares {
  /** Parts of the bar, 0 to 100; together never more than 100. */
  spent: number
  reserved: number
  /** More was spent than there is. */
  over: boolean
}

/** How full a budget is. Exact where money is: the quotient is made of integers, only the drawing is rounded. */
export function sharesOf(budget: Budget): Shares {
  const amount = BigInt(budget.amount)
  const spent = BigInt(budget.standing.spent)
  const reserved = BigInt(budget.standing.reserved)
  const used = spent + reserved
  const whole = used > amount ? used : amount
  return { spent: share(spent, whole), reserved: share(reserved, whole), over: spent > amount }
}

/** What is not nothing is seen. */
function share(part: bigint, whole: bigint): number {
  if (part <= 0n || whole <= 0n) return 0
  return Math.max(0.5, Number((part * 10_000n) / whole) / 100)
}

/** The amount as people write it in the form: "2.50" dollars or "2000000" tokens. */
export function written(unit: Budget['unit'], amount: Amount): string {
  if (unit === 'tokens') return String(amount)
  const digits = BigInt(amount).toString().padStart(13, '0')
  const fraction = digits.slice(-12).replace(/0+$/, '')
  return fraction === '' ? digits.slice(0, -12) : `${digits.slice(0, -12)}.${fraction.padEnd(2, '0')}`
}

/** A comma stands between thousands only: who writes 5,50 may mean 5.50, and 0,500 half a dollar. */
const THOUSANDS = /^[1-9]\d{0,2}(,\d{3})+(?=\.|$)/

/** The amount as the server reads it; null where it is no figure. */
export function amountText(unit: Budget['unit'], text: string): string | null {
  const figure = text.trim().replace(THOUSANDS, (whole) => whole.replaceAll(',', ''))
  if (unit === 'tokens') return /^\d{1,18}$/.test(figure) ? `${figure} tokens` : null
  return /^\d{1,7}(\.\d{1,12})?$/.test(figure) ? `${figure} USD` : null
}
