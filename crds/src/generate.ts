/** Every generated file of the repository: path from its root → content. `npm run generate` writes them, `npm run check` compares. */
export async function generateAll(): Promise<Map<string, string>> {
  return new Map();
}
