import { mount } from 'svelte'
import './styles/tokens.css'
import './styles/base.css'
import './styles/controls.css'
import App from './app/App.svelte'
import { rememberedLanguage, speak } from './i18n/index.svelte'

const target = document.getElementById('app')
if (target === null) throw new Error('index.html has no element with the id "app"')

await speak(rememberedLanguage())
mount(App, { target })
