"""What the talks show: tables of measures and figures, out of an export or the store; the app's pages, the notebooks and the reports
ask here."""
