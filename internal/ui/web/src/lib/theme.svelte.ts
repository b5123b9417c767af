// Light, dark, or as the system says; remembered on this machine. public/theme.js
// applies it before the first paint.

export type Theme = 'system' | 'light' | 'dark';

const key = 'hotstick.theme';

function remembered(): Theme {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

class ThemeChoice {
  current = $state<Theme>(remembered());

  next() {
    this.set(this.current === 'system' ? 'light' : this.current === 'light' ? 'dark' : 'system');
  }

  set(theme: Theme) {
    this.current = theme;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === 'system') localStorage.removeItem(key);
      else localStorage.setItem(key, theme);
    } catch {
      // Then it holds for this page only.
    }
  }
}

export const theme = new ThemeChoice();
