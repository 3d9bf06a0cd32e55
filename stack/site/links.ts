/** The destination of a link or an image, whose text ends before it. */
const LINK = /\]\(([^()\s]+)\)/g;

/** Returns the destinations of the links and images of a document. */
export function linksOf(text: string): string[] {
  return [...text.matchAll(LINK)].map(([, link]) => link!);
}

/** Replaces the destination of each link and image of a document. */
export function withLinks(text: string, replace: (link: string) => string): string {
  return text.replaceAll(LINK, (_, link: string) => `](${replace(link)})`);
}
