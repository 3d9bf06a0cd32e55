// What mdBook's pages lack for the keyboard and for screen readers.
(() => {
    const element = (id) => document.getElementById(`mdbook-${id}`);

    // A label takes no focus, so a button stands in for the one that shows and hides the table of contents.
    const label = element('sidebar-toggle');
    const isShown = element('sidebar-toggle-anchor');
    const button = document.createElement('button');
    for (const name of ['class', 'title', 'aria-label', 'aria-controls']) {
        button.setAttribute(name, label.getAttribute(name));
    }
    button.type = 'button';
    button.append(...label.childNodes);
    button.addEventListener('click', () => label.click());
    const announce = () => button.setAttribute('aria-expanded', String(isShown.checked));
    isShown.addEventListener('change', announce);
    announce();
    label.classList.add('hidden');
    label.after(button);

    element('menu-bar').setAttribute('role', 'banner');
    element('search-wrapper').setAttribute('role', 'search');
    element('searchbar').setAttribute('aria-label', 'Search');

    // An empty cell is the header of nothing.
    for (const corner of document.querySelectorAll('th:empty')) corner.replaceWith(document.createElement('td'));

    // The keyboard scrolls what has the focus.
    const sizes = new ResizeObserver((entries) => {
        for (const { target } of entries) {
            if (target.scrollWidth > target.clientWidth) target.setAttribute('tabindex', '0');
            else target.removeAttribute('tabindex');
        }
    });
    for (const scrolled of document.querySelectorAll('pre > code, .table-wrapper')) sizes.observe(scrolled);
})();
