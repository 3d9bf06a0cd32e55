// The state of a page is in its URL, so that a link shows the same.

/** Returns a parameter of the URL, or `otherwise`. */
export function parameter(name, otherwise = '') {
    return new URLSearchParams(location.search).get(name) ?? otherwise;
}

/** Sets parameters of the URL. Those that have their usual value are left out. The URL of an embedded page stays as it is:
 * the page around it sets another fragment, and if the query differed as well, the browser would load the page anew. */
export function setParameters(values, usual = {}) {
    if (window.parent !== window) return;
    const parameters = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(values)) {
        if (value === '' || value === (usual[name] ?? '')) parameters.delete(name);
        else parameters.set(name, value);
    }
    const query = parameters.toString();
    history.replaceState(null, '', `${location.pathname}${query === '' ? '' : `?${query}`}${location.hash}`);
}

/** Keeps the value of a control in the URL under its id, and calls `changed` after a change. */
export function bind(control, usual, changed) {
    control.value = parameter(control.id, usual);
    // A select without this option has no value.
    if (control.value === '' && usual !== '') control.value = usual;
    const event = control.type === 'search' ? 'input' : 'change';
    control.addEventListener(event, () => {
        setParameters({ [control.id]: control.value }, { [control.id]: usual });
        changed();
    });
}
