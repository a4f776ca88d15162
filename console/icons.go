package console

import (
	"fmt"
	"html/template"
)

// icon draws one of our icons: 16 by 16, strokes of the text's colour. What they
// say is always said in words beside them, so that they are silent to a screen
// reader.
func icon(name string) (template.HTML, error) {
	paths, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">` + paths + `</svg>`), nil
}

// icons are never written to.
var icons = map[string]string{
	"alarm":    `<path d="M8 2.5a4 4 0 0 0-4 4V10l-1.5 2h11L12 10V6.500a4 4 0 0 0-4-4zM6.5 14h3"/>`,
	"back":     `<path d="M6.5 3.500 3 7l3.5 3.500M3 7h6.750a3.250 3.250 0 0 1 0 6.500H7.500"/>`,
	"check":    `<circle cx="8" cy="8" r="6.25"/><path d="m5.25 8.25 2 2 3.5-4"/>`,
	"circle":   `<circle cx="8" cy="8" r="6.25"/>`,
	"clock":    `<circle cx="8" cy="8" r="6.25"/><path d="M8 4.500V8l2.5 1.5"/>`,
	"close":    `<path d="m4 4 8 8m0-8-8 8"/>`,
	"compass":  `<circle cx="8" cy="8" r="6.25"/><path d="m10.5 5.5-1.5 3.5-3.5 1.500L7 7z"/>`,
	"copy":     `<rect x="5.75" y="5.75" width="7.5" height="7.5" rx="1.5"/><path d="M10.25 3.500a1 1 0 0 0-1-1H4a1.5 1.5 0 0 0-1.5 1.500v5.250a1 1 0 0 0 1 1"/>`,
	"cross":    `<circle cx="8" cy="8" r="6.25"/><path d="m6 6 4 4m0-4-4 4"/>`,
	"down":     `<path d="m4 6.5 4 4 4-4"/>`,
	"download": `<path d="M8 2.500v7m-3-3 3 3 3-3M2.75 13.250h10.5"/>`,
	"gear":     `<circle cx="8" cy="8" r="2.25"/><path d="M8 1.750v2m0 8.500v2M1.75 8h2m8.5 0h2M3.58 3.58 5 5m6 6 1.42 1.420M3.58 12.42 5 11m6-6 1.42-1.42"/>`,
	"help":     `<circle cx="8" cy="8" r="6.25"/><path d="M6.25 6.250a1.75 1.75 0 1 1 2.5 1.580c-.500.25-.750.6-.750 1.170M8 11.200v.100"/>`,
	"home":     `<path d="M2.5 7.5 8 2.750l5.5 4.750M4 6.500v6.750h8V6.500M6.75 13.250v-3.500h2.500v3.5"/>`,
	"info":     `<circle cx="8" cy="8" r="6.25"/><path d="M8 7.500v3.500M8 4.900V5"/>`,
	"key":      `<circle cx="5.25" cy="10.75" r="2.75"/><path d="m7.25 8.75 6-6m-2.5 2.5 2 2m-3.5-.500 1 1"/>`,
	"link":     `<path d="M6.75 9.250a2.5 2.5 0 0 0 3.54 0l2.2-2.200a2.5 2.5 0 0 0-3.54-3.540l-.950.950M9.25 6.750a2.5 2.5 0 0 0-3.54 0l-2.2 2.200a2.5 2.5 0 0 0 3.54 3.540l.950-.950"/>`,
	"lock":     `<rect x="3" y="7" width="10" height="6.5" rx="1.5"/><path d="M5.25 7V5a2.75 2.75 0 0 1 5.5 0v2M8 9.750v1.25"/>`,
	"menu":     `<path d="M2.5 4.250h11M2.5 8h11M2.5 11.750h11"/>`,
	"minus":    `<circle cx="8" cy="8" r="6.25"/><path d="M5.25 8h5.5"/>`,
	"next":     `<path d="m6 3.5 4.5 4.500L6 12.5"/>`,
	"plan":     `<rect x="2.5" y="2.5" width="11" height="11" rx="1.5"/><path d="M2.5 6.250h11M6.25 6.250v7.25"/>`,
	"play":     `<path d="M4.5 2.750v10.500l8.5-5.250z"/>`,
	"policy":   `<path d="M4.5 1.750h5l3 3v9.500h-8zM9.25 1.750v3.250h3.250M6.5 8h4M6.5 10.750h4"/>`,
	"out":      `<path d="M9.500 2.750H4.250a1.500 1.500 0 0 0-1.500 1.500v7.500a1.500 1.500 0 0 0 1.500 1.500H9.500M6.750 8h6.500m-2.500-2.500L13.250 8l-2.500 2.500"/>`,
	"pulse":    `<path d="M1.75 8.500h3l1.75-5 3 9 1.75-4h3"/>`,
	"report":   `<path d="M2.5 2.500v11h11M5.5 10.750V8m3 2.750V5m3 5.750V6.75"/>`,
	"role":     `<path d="M2.5 5c2-.5 3.5-1.25 5.5-2.750C10 3.75 11.5 4.5 13.5 5c0 4-1.75 7-5.5 9-3.75-2-5.5-5-5.5-9zM6.25 7.250h3.500M6.25 9.500h3.5"/>`,
	"search":   `<circle cx="7" cy="7" r="4.25"/><path d="m10.25 10.25 3.5 3.5"/>`,
	"shield":   `<path d="M2.5 4c2-.250 3.75-1 5.5-2.250C9.75 3 11.5 3.75 13.5 4c.250 4.75-1.5 8.25-5.5 10.250C4 12.25 2.25 8.75 2.5 4zM5.5 8l1.75 1.75 3.25-3.5"/>`,
	"term":     `<rect x="1.75" y="2.75" width="12.5" height="10.5" rx="1.5"/><path d="m4.5 6 2 2-2 2M8.25 10.250h3"/>`,
	"user":     `<circle cx="8" cy="5.25" r="2.75"/><path d="M2.75 13.750a5.25 5.25 0 0 1 10.5 0"/>`,
	"users":    `<circle cx="6" cy="5.5" r="2.5"/><path d="M1.5 13.250a4.5 4.5 0 0 1 9 0M10.5 3.250a2.5 2.5 0 0 1 0 4.500M12.25 9.500a4.5 4.5 0 0 1 2.25 3.75"/>`,
	"warning":  `<path d="M8 2 1.5 13.500h13zM8 6.500v3.250M8 11.600v.100"/>`,
	"why":      `<circle cx="7" cy="7" r="4.75"/><path d="m10.5 10.5 3.5 3.500M5.75 5.900a1.3 1.3 0 1 1 1.9 1.150c-.400.2-.600.45-.650.850M7 9.300v.100"/>`,
	"window":   `<path d="M9 2.750h4.250V7M13 3 7.75 8.250M11.5 9.500v3.750h-8.750V4.500H6.5"/>`,
}
