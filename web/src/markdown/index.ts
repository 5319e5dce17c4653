export { default as Markdown } from './Markdown.svelte'
export { englishLabels, setMarkdownLabels, type MarkdownLabels } from './labels'
