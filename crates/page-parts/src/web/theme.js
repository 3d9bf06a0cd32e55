// The colours of the page: light, dark, or as the system has it.

const THEMES = ['light', 'dark'];

const listeners = [];

function notify() {
    for (const changed of listeners) changed();
}

/** Sets the theme. All but `light` and `dark` stands for that of the system. */
export function setTheme(theme) {
    if (THEMES.includes(theme)) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    notify();
}

/** Calls `changed` after each change of the colours. */
export function onThemeChange(changed) {
    listeners.push(changed);
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', notify);
