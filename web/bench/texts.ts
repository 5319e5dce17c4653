import { longAnswer } from '../tests-unit/markdown/corpus'

const repeated = (line: (index: number) => string, characters: number): string => {
  let out = ''
  for (let index = 0; out.length < characters; index++) out += line(index)
  return out
}

const code = (): string =>
  repeated(
    (index) =>
      `export function price${index}(tokens: number): bigint {\n  // 토큰 ${index}개의 값을 센다\n  const unit = BigInt(${index} * 2_500)\n  return tokens > 0 ? unit * BigInt(tokens) : 0n\n}\n\n`,
    30_000,
  )

const SAMPLE = `# 토큰과 비용

GPT 모델의 **비용(USD)**은 *입력*과 *출력* 토큰을 따로 셉니다. A message costs the sum of its parts, as [the price table](https://prices.example/openai) shows; \`usage.prompt_tokens\` says how many were sent. ~~추정~~이 아니라 실제 값입니다.

## 한눈에 보기

| 모델 | 입력 (1M) | 출력 (1M) | 비고 |
|:---|---:|---:|:---|
| gpt-large | $2.50 | $10.00 | 캐시된 입력은 절반 |
| gpt-small | $0.15 | $0.60 | 기본값 |
| 로컬 모델 | — | — | 값이 정해지지 않음 |

1. 질문을 보내기 전에 토큰을 **정확히** 셉니다.
2. 창을 줄이면 값이 내려갑니다.
   - 최근 4개 메시지만 보내기
   - 시스템 프롬프트는 늘 포함
3. 답이 끝나면 \`reported\` 값으로 정산합니다.

- [x] 입력 토큰 세기
- [x] 캐시된 앞부분 나누기
- [ ] 예산을 정하기

### 계산

\`\`\`python
from dataclasses import dataclass

@dataclass(frozen=True)
class Usage:
    """한 번의 호출이 쓴 토큰."""
    prompt: int
    completion: int

def cost(usage: Usage, row: PriceRow) -> int:
    # 피코달러: 반올림이 없다
    return usage.prompt * row.input + usage.completion * row.output
\`\`\`

한 번의 값은 $C = p_{in} t_{in} + p_{out} t_{out}$이고, 방 전체의 값은

$$
C_{\\text{방}} = \\sum_{i=1}^{n} \\left( p_{in} t^{(i)}_{in} + p_{out} t^{(i)}_{out} \\right) \\quad \\vec{v} = \\sqrt{\\frac{a}{b}} \\quad \\boxed{\\pmb{z}}
$$

> 모든 토큰은 장부에 한 번, 정확히 한 번 적힌다.
> 창이 닫혀도, 연결이 끊겨도 그렇다.

값은 $5와 $6 사이입니다. 자세한 내용은 https://docs.example/ledger를 보세요.

![가격 그래프](https://charts.example/price.png)

---

\`\`\`bash
$ talkmeter serve --port 8765   # 첫 화면을 연다
\`\`\`
`

export const texts: Readonly<Record<string, () => string>> = {
  answer: () => longAnswer(60_000),
  fence: () => '```typescript\n' + code() + '```\n\n끝.',
  paragraph: () => repeated((index) => `문장 ${index}은 **굵게(bold)**와 \`code\`를 섞어 씁니다. It goes on and on. `, 30_000),
  list: () => repeated((index) => `- 항목 ${index}: **값(USD)**은 \`${index}\`원이고 설명이 조금 이어집니다.\n`, 30_000),
  table: () =>
    '| 번호 | 모델 | 값 |\n|---:|---|---:|\n' + repeated((index) => `| ${index} | **모델 ${index}** | \`${index * 7}\` |\n`, 30_000),
  line: () => '```json\n' + '{"k":' + repeated((index) => `["값${index}",${index}],`, 30_000) + '}\n```\n',
  sample: () => SAMPLE,
}
