// Updates of the page.

const REFRESH_MS = 60_000;

/** Calls `refresh` now and at intervals, but not while the page is hidden. The result refreshes at once. */
export function live(refresh) {
    let timer;
    let isDue = false;
    const refreshNow = () => {
        isDue = false;
        clearTimeout(timer);
        timer = setTimeout(refreshIfSeen, REFRESH_MS);
        return refresh();
    };
    const refreshIfSeen = () => {
        isDue = document.hidden;
        if (!isDue) void refreshNow();
    };
    document.addEventListener('visibilitychange', () => isDue && refreshIfSeen());
    refreshIfSeen();
    return refreshNow;
}
