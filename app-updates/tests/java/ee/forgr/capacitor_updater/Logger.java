package ee.forgr.capacitor_updater;

/** Stands in for the updater's own logger, which writes to Android's. */
public class Logger {

    public void error(String message) {}

    public void warn(String message) {}

    public void info(String message) {}

    public void debug(String message) {}
}
