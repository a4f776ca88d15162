package console

// showStepUp and stepUp let somebody who is signed in show a factor again.
func (c *Console) showStepUp(v *Visit, to, problem string) error {
	return v.Redirect("/signin?switch=1")
}

func (c *Console) stepUp(v *Visit) error { return c.showStepUp(v, v.Form("to"), "") }
