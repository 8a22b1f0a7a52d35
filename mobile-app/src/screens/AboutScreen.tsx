import { Page } from "../components/Page";
import { useServices, useValue } from "../services/services";
import { strings } from "../strings";

const texts = strings.about;

/** What runs here, and what it does with what it is told. */
export function AboutScreen() {
  const { shell, questions, deviceId } = useServices();
  const answered = useValue(questions).filter(({ answeredAt }) => answeredAt !== undefined);
  const newest = answered.sort((one, other) => (other.answeredAt ?? 0) - (one.answeredAt ?? 0))[0];
  const facts = [
    [texts.app, shell.version ?? texts.browser],
    [texts.bundle, `${__APP_VERSION__}, ${shell.bundle ?? texts.asInstalled}`],
    [texts.model, newest?.answer?.model_version ?? texts.noModel],
    [texts.environment, shell.environment.name],
    [texts.language, strings.language],
    [texts.device, deviceId],
  ];
  return (
    <Page title={texts.title}>
      <h1>{texts.heading}</h1>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {/* With a small screen it is below the edge: the keyboard must reach it to scroll there. */}
      <section aria-labelledby="privacy" tabIndex={0}>
        <h2 id="privacy">{texts.privacy}</h2>
        <p>{texts.privacyText}</p>
      </section>
    </Page>
  );
}
