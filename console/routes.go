package console

// Route is one line of the table: what is asked for, and what answers.
type Route struct {
	// Pattern is method and path, as http.ServeMux has them. GET covers HEAD.
	Pattern string
	Handle  func(*Visit) error
	// Access is who may come here at all. The zero value is the strict one.
	Access Access
	// Foreign lets other sites post here. Only for protocols that need it, whose
	// handler checks a state of its own.
	Foreign bool
	// Loopback lets the forms of this page end at a program on the person's own
	// machine, as the consent pages of OAuth do.
	Loopback bool
	// MaxBody is the size of the largest body, 256 KiB if it is zero.
	MaxBody int64
}

// Access is who may open a page.
type Access int

// People who are signed in, or anyone.
const (
	SignedIn Access = iota
	Anyone
)

// routes is every page of the console. What is not here does not exist, and what
// does not say Anyone is for people who are signed in.
func (c *Console) routes() []Route {
	var all []Route
	for _, area := range [][]Route{
		{
			{Pattern: "GET /search", Handle: c.search},
			{Pattern: "POST /preferences/theme", Handle: c.setTheme, Access: Anyone},
		},
		// A line for each area, in the order of the alphabet; the routes are in its file.
		c.accessKeyRoutes(),
		c.accessPlanRoutes(),
		c.authorizeRoutes(),
		c.checklistRoutes(),
		c.credentialAdvisorRoutes(),
		c.eventRoutes(),
		c.credentialReportRoutes(),
		c.exposedKeyRoutes(),
		c.findingRoutes(),
		c.groupRoutes(),
		c.homeRoutes(),
		c.inlineRoutes(),
		c.passkeyRoutes(),
		c.policyRoutes(),
		c.providerRoutes(),
		c.roleRoutes(),
		c.securityRoutes(),
		c.signInRoutes(),
		c.signOutRoutes(),
		c.simulatorRoutes(),
		c.switchRoutes(),
		c.systemRoutes(), c.installationRoutes(),
		c.notifyRoutes(),
		c.userRoutes(),
		c.disableRoutes(),
		c.whyRoutes(),
	} {
		all = append(all, area...)
	}
	return all
}
